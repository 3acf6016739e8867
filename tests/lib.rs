//! The tests are the files beside this one; they start the built binaries and talk to their sockets.
