"use strict";

const place = document.getElementById("reference");

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  deepLinking: true,
  docExpansion: "none",
  // The usual validator is a service of others.
  validatorUrl: null,
  onComplete() {
    document.getElementById("servers")?.setAttribute("aria-label", "Server");
  },
  // A person who is signed in here may try writes; a key needs no token.
  requestInterceptor(request) {
    request.headers["X-CSRFToken"] = place.dataset.csrfToken;
    return request;
  },
});
