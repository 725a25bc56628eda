module example.com/crashes-after-healthy

go 1.21
