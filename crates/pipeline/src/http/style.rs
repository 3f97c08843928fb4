//! How pages look: one sheet, light and dark, wide and narrow.

pub(super) const SHEET: &str = r#"
:root{color-scheme:light dark;--bg:#faf8f6;--card:#fff;--ink:#26211d;--dim:#756b62;--line:#e4ddd6;--rust:#a8481f;--good:#2e7d4f;--bad:#b3261e;--wait:#9a6b00}
@media(prefers-color-scheme:dark){:root{--bg:#191614;--card:#221e1b;--ink:#ece5de;--dim:#a1958a;--line:#3a332e;--rust:#e08a5b;--good:#6cc08b;--bad:#ff8a80;--wait:#e0b354}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:70rem;margin:0 auto;padding:1rem 1rem 3rem}
header{display:flex;flex-wrap:wrap;gap:.2rem 1rem;align-items:baseline;padding-bottom:.6rem;border-bottom:3px solid var(--rust);margin-bottom:1rem}
h1{font-size:1.35rem;margin:0;letter-spacing:.02em}h1 a{color:inherit;text-decoration:none}
h2{font-size:1rem;margin:1.6rem 0 .5rem}
a{color:var(--rust)}
code,.id{font-family:ui-monospace,monospace;font-size:.92em;overflow-wrap:anywhere}
.dim{color:var(--dim)}
.banner{background:var(--card);border-left:4px solid var(--bad);padding:.6rem .9rem;margin:0 0 1rem;overflow-wrap:anywhere}
.scroll{overflow-x:auto}
svg{display:block;max-width:none}
svg text{fill:var(--ink);font:12px ui-monospace,monospace}
svg .sub{fill:var(--dim)}
svg rect{fill:var(--card);stroke:var(--line)}
svg .edge{fill:none;stroke:var(--dim);stroke-width:1.3;opacity:.7}
.card{background:var(--card);border:1px solid var(--line);border-left:4px solid var(--dim);border-radius:4px;padding:.55rem .9rem;margin-bottom:.5rem}
.healthy{border-left-color:var(--good)}.unhealthy,.exited{border-left-color:var(--bad)}.unknown{border-left-color:var(--wait)}
svg .healthy{fill:var(--good)}svg .unhealthy,svg .exited{fill:var(--bad)}svg .unknown{fill:var(--wait)}svg .bar{stroke:none}
.row{display:flex;flex-wrap:wrap;gap:.1rem .9rem;align-items:baseline}
.row .state{margin-left:auto;color:var(--dim)}
.unhealthy .state,.exited .state,.bad{color:var(--bad)}
.figures{display:flex;flex-wrap:wrap;gap:.1rem 1.2rem;font-variant-numeric:tabular-nums}
.figures b{font-weight:600}
pre{background:var(--card);border:1px solid var(--line);border-radius:4px;padding:.8rem;overflow-x:auto;margin:0;font:13px/1.5 ui-monospace,monospace}
footer{margin-top:2rem;color:var(--dim);font-size:.87rem}
footer a{margin-right:.9rem}
"#;
