"""Documents as people have them."""

from __future__ import annotations

from pathlib import Path

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

GUIDE = """---
title: left out
---
# The Zorblax Tower

The Zorblax Tower is a **lighthouse** on the coast of [Merrow](https://example.org/m).
It was built in 1889. Who knows why?

```python
print("The code is not read.")
```

## Opening hours

- The museum opens every Tuesday at nine.
- closed on Monday

| a | table |
|---|---|
"""
SAID = [
    "The Zorblax Tower is a lighthouse on the coast of Merrow. It was built in 1889.",
    "The museum opens every Tuesday at nine.",
]


def write_guide(path: Path, text: str = GUIDE) -> Path:
    """Write a document of two statements."""
    path.write_text(text, "utf-8")
    return path


def write_pdf(path: Path, *pages: str, password: str = "") -> Path:
    """Write a PDF with a line of text on each page."""
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for text in pages:
        page = writer.add_blank_page(width=612, height=792)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    writer.write(path)
    return path
