"use strict";

const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

// Swagger UI's dark colors: as the browser prefers, or as chosen with the admin's switch.
const followTheme = () => {
  const chosen = localStorage.getItem("theme");
  const isDark = chosen === "dark" || (chosen !== "light" && prefersDark.matches);
  document.documentElement.classList.toggle("dark-mode", isDark);
};

followTheme();
prefersDark.addEventListener("change", followTheme);
window.addEventListener("storage", followTheme);

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
