module example.com/ignores-sigterm

go 1.21
