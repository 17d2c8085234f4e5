//! Describe the public gRPC API.
