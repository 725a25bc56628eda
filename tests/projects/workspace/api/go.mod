module example.com/workspace/api

go 1.21

require example.com/workspace/shared v0.0.0

replace example.com/workspace/shared => ../shared
