"use strict";
// Shows the OpenAPI document in Swagger UI. If the document requires a token, the page asks for it, because a browser
// does not send one.

const root = document.currentScript.dataset.root;
const signIn = document.getElementById("sign-in");

async function load(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(`${root}/openapi.json`, { headers });
  const content = await answer.json();
  signIn.hidden = answer.ok;
  document.getElementById("refusal").textContent = answer.ok ? "" : content.message;
  if (answer.ok) show(content, token);
}

function show(spec, token) {
  const ui = SwaggerUIBundle({
    spec,
    dom_id: "#swagger-ui",
    deepLinking: true,
    displayRequestDuration: true,
    validatorUrl: null, // The default sends the document to a public site.
    onComplete: () => token && ui.preauthorizeApiKey("bearer", token),
  });
}

signIn.addEventListener("submit", (event) => {
  event.preventDefault();
  load(document.getElementById("token").value);
});

load();
