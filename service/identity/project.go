package identity

// maxDepth is how many levels of projects there may be, the domain counted, as in keystone.
const maxDepth = 5
