module example.com/kardianos

go 1.21

require github.com/kardianos/service v1.2.2

require golang.org/x/sys v0.30.0 // indirect
