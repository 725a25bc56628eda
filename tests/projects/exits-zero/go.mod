module example.com/exits-zero

go 1.21
