"""The OpenAPI document: parameters, bodies and responses of each operation, from the code."""
