"""HTTP for all routes: authentication, bodies, parameters, error responses, request ids and health."""
