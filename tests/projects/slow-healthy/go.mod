module example.com/slow-healthy

go 1.21
