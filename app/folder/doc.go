// Package folder is the data folder of a process: who may use it, by which name its
// processes are known, and how files that hold secrets are written.
//
// It owns the files lock, node.lock and processes/ in the folder, and none of what the
// parts of a cloud keep there. Only app and its parts import it.
package folder
