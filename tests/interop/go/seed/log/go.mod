module github.com/hexablock/log

go 1.25.0
