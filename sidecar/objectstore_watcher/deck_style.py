"""How the Deck looks: calm, in light and in dark, without a script, a font or a picture from elsewhere."""

STYLE = """
.osw{
--bg:#fff;--panel:#f6f7f9;--text:#1f2430;--muted:#565e6c;--line:#e1e4e9;
--green:#17744a;--red:#b3261e;--amber:#855600;--blue:#1f57a8;--gray:#667080;
--fill-wait:#c9ced6;--fill-red:#dc6f66;--fill-amber:#dba94a;--fill-blue:#6c9ad9;--tint-green:#e6f4ec;--tint-red:#fcebea;
box-sizing:border-box;max-width:960px;margin:0 auto;padding:28px 32px;border-radius:12px;
background:var(--bg);color:var(--text);overflow-wrap:anywhere;text-align:left;
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
@media (prefers-color-scheme:dark){.osw{
--bg:#15181d;--panel:#1d2128;--text:#e7e9ed;--muted:#a6adb8;--line:#2f353f;
--green:#6bd59c;--red:#ff9b92;--amber:#e8b95b;--blue:#8fb8f8;--gray:#9aa3af;
--fill-wait:#474e5a;--fill-red:#c4655d;--fill-amber:#b68a3c;--fill-blue:#5c8bcb;--tint-green:#17301f;--tint-red:#3a1f1e}}
.osw *{box-sizing:border-box}
.osw h1,.osw h2,.osw p,.osw dl,.osw dd,.osw ol{margin:0;padding:0}
.osw h1{font-size:20px;line-height:1.35;font-weight:600;margin:10px 0 4px}
.osw h2{font-size:12px;font-weight:600;letter-spacing:.06em;text-transform:uppercase;color:var(--muted);
margin:32px 0 10px}
.osw code,.osw h1{font-family:ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace}
.osw code{font-size:.9em}
.osw-muted{color:var(--muted)}
.osw-state{display:inline-block;padding:2px 12px;border-radius:999px;font-size:13px;font-weight:600}
.osw-ready{background:var(--tint-green);color:var(--green)}
.osw-failed{background:var(--tint-red);color:var(--red)}
.osw-why{margin-top:16px;padding:14px 18px;border-left:4px solid var(--red);border-radius:4px;background:var(--panel)}
.osw-why p+p{margin-top:6px}
.osw-facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:1px;margin-top:22px!important;
border:1px solid var(--line);border-radius:10px;overflow:hidden;background:var(--line)}
.osw-facts div{padding:12px 16px;background:var(--bg)}
.osw dt{font-size:12px;color:var(--muted)}
.osw-facts dd{font-size:17px;font-weight:600;font-variant-numeric:tabular-nums}
.osw-facts small{display:block;font-size:12px;font-weight:400;color:var(--muted)}
.osw svg{display:block;width:100%;height:26px;border-radius:5px}
.osw-ends{display:flex;justify-content:space-between;font-size:12px;color:var(--muted);margin-top:4px}
.osw-key{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:12px;color:var(--muted);margin-top:6px}
.osw-key i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:6px}
.osw ol{list-style:none;margin-top:20px}
.osw li{position:relative;display:grid;grid-template-columns:92px 1fr;gap:0 34px;padding:0 0 14px}
.osw li::before{content:"";position:absolute;left:105px;top:7px;width:8px;height:8px;border-radius:50%;
background:var(--dot,var(--gray))}
.osw li:not(:last-child)::after{content:"";position:absolute;left:108.5px;top:20px;bottom:-4px;width:1px;
background:var(--line)}
.osw li time{color:var(--muted);font-size:13px;line-height:22px;text-align:right;font-variant-numeric:tabular-nums}
.osw li p+p{font-size:14px;color:var(--muted)}
.osw-count{margin-left:8px;padding:0 8px;border-radius:999px;background:var(--panel);border:1px solid var(--line);
font-size:12px;color:var(--muted);white-space:nowrap}
.osw-scroll{overflow-x:auto}
.osw table{width:100%;border-collapse:collapse;font-size:14px}
.osw th,.osw td{padding:8px 14px 8px 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
.osw th{font-weight:400;color:var(--muted);font-size:12px}
.osw .osw-number{text-align:right;padding-right:0;padding-left:14px;white-space:nowrap;
font-variant-numeric:tabular-nums}
.osw tr:last-child td{border-bottom:0}
.osw .osw-sum td{font-weight:600;border-top:1px solid var(--line)}
@media (max-width:640px){
.osw{padding:20px 16px}
.osw li{grid-template-columns:1fr;padding-left:22px}
.osw li::before{left:2px}.osw li:not(:last-child)::after{left:5.5px}
.osw li time{text-align:left}}
""".strip()

COLOURS = {
    "began": "var(--gray)",
    "absent": "var(--fill-wait)",
    "unmet": "var(--fill-amber)",
    "error": "var(--fill-red)",
    "events": "var(--fill-blue)",
    "heard": "var(--fill-blue)",
    "found": "var(--green)",
    "failed": "var(--red)",
    "left_out": "var(--line)",
}
"""By what an entry of the history is."""
