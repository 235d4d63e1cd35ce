"use strict";

const place = document.getElementById("reference");

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  deepLinking: true,
  docExpansion: "none",
  // The default validator is an external service.
  validatorUrl: null,
  onComplete() {
    document.getElementById("servers")?.setAttribute("aria-label", "Server");
  },
  // Signed-in users may try writes; a key needs no token.
  requestInterceptor(request) {
    request.headers["X-CSRFToken"] = place.dataset.csrfToken;
    return request;
  },
});
