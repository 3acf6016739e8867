//! One table of operations, many faces: scopes, schemas, handlers, error codes and codecs, and no socket.
