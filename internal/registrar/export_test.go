package registrar

// Answer is what a member is told about an error.
var Answer = answer
