module example.com/crashes-at-start

go 1.21
