"use strict";
// Shows the OpenAPI document of this site in Swagger UI. Nothing can be called, because no server is behind the site.

SwaggerUIBundle({
  url: document.getElementById("swagger-ui").dataset.document,
  dom_id: "#swagger-ui",
  supportedSubmitMethods: [],
  validatorUrl: null, // The default sends the document to a public site.
});
