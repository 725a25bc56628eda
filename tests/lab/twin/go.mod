module twin

go 1.21
