//! The one entry of signalling: messages, time and media events in, commands out.
