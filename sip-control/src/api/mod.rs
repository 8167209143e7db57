//! The HTTP API, `/api/v1`: everything that the console and the command line do (OPS-1).
