"""The dashboard at /ui: a page of plain HTML, CSS and ES modules, without third-party code.

Add a view with a module in `assets/views/` and a line in `assets/views.js`. Types that modules share are in
`types.d.ts`, which no browser reads. The package imports from `roles` only.
"""
