module example.com/wrong-port

go 1.21
