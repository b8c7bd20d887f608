package registrar

// Answer is what a member is told about an error.
var Answer = answer

// Leave puts n entries, chosen at random, first.
var Leave = leave
