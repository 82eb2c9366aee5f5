// Empty: with a file of assembly in the package, Go functions need no body.
