//! The verbs of the command line that ask or change a running daemon, by its socket.
