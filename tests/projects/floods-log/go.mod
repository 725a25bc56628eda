module example.com/floods-log

go 1.21
