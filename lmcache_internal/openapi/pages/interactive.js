"use strict";
// Shows the API document by Swagger UI. Where it takes a token, it is asked for here: a browser sends none by itself.

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
    validatorUrl: null, // It would send the document to a site on the internet.
    onComplete: () => token && ui.preauthorizeApiKey("bearer", token),
  });
}

signIn.addEventListener("submit", (event) => {
  event.preventDefault();
  load(document.getElementById("token").value);
});

load();
