"""Small whole documents of every format, made from a sentence, and ways to damage them."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable


def pdf(text: str, pages: int = 1, trailer: str = "", attached: int = 0) -> bytes:
    """Pages with one line each; `trailer` goes into the trailer dictionary; a stream of `attached`
    bytes that no page needs stands among them."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for page in range(pages):
        content = f"BT /F1 12 Tf 72 700 Td ({text} page {page + 1}) Tj ET"
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects) + 2} 0 R "
            f"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    if attached:
        objects.append(f"<< /Length {attached} >>\nstream\n{'a' * attached}\nendstream")
    objects[1] = f"<< /Type /Pages /Count {pages} /Kids [{' '.join(kids)}] >>"
    out = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += "".join(f"{place:010d} 00000 n \n" for place in places).encode()
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()
    return out


def packed(members: dict[str, str | bytes], first_stored: bool = False) -> bytes:
    """A zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for n, (name, data) in enumerate(members.items()):
            stored = first_stored and n == 0
            package.writestr(name, data, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)
    return out.getvalue()


def with_encryption_flag(package: bytes) -> bytes:
    """The same zip archive, its members marked as encrypted."""
    out = bytearray(package)
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = out.find(magic)
        while at >= 0:
            out[at + flags] |= 1
            at = out.find(magic, at + 4)
    return bytes(out)


WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def ooxml(main: str, body: str, more: dict[str, str] | None = None) -> bytes:
    relations = (
        f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" Type="{OFFICE}/officeDocument" '
        f'Target="{main}"/></Relationships>'
    )
    return packed({"[Content_Types].xml": "<Types/>", "_rels/.rels": relations, main: body, **(more or {})})


def docx(text: str) -> bytes:
    body = f"<w:document {WORD}><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>"
    return ooxml("word/document.xml", body)


def pptx(text: str) -> bytes:
    names = (
        'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
        f'xmlns:r="{OFFICE}"'
    )
    slide = (
        f"<p:sld {names}><p:cSld><p:spTree><p:sp><p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p>"
        "</p:txBody></p:sp></p:spTree></p:cSld></p:sld>"
    )
    show = f'<p:presentation {names}><p:sldIdLst><p:sldId id="256" r:id="r1"/></p:sldIdLst></p:presentation>'
    relations = (
        f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" Type="{OFFICE}/slide" '
        'Target="slides/slide1.xml"/></Relationships>'
    )
    return ooxml(
        "ppt/presentation.xml",
        show,
        {"ppt/_rels/presentation.xml.rels": relations, "ppt/slides/slide1.xml": slide},
    )


def xlsx(text: str) -> bytes:
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    book = f'<workbook {main} xmlns:r="{OFFICE}"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>'
    sheet = (
        f'<worksheet {main}><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>{text}</t></is></c>'
        "</row></sheetData></worksheet>"
    )
    relations = (
        f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" Type="{OFFICE}/worksheet" '
        'Target="worksheets/sheet1.xml"/></Relationships>'
    )
    return ooxml(
        "xl/workbook.xml",
        book,
        {"xl/_rels/workbook.xml.rels": relations, "xl/worksheets/sheet1.xml": sheet},
    )


def opendocument(kind: str, body: str, manifest: str = "") -> bytes:
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table", "presentation")
    ) + (
        ' xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
    )
    content = (
        f"<office:document-content {names}><office:body><office:{kind}>{body}</office:{kind}>"
        "</office:body></office:document-content>"
    )
    members = {
        "mimetype": f"application/vnd.oasis.opendocument.{kind}",
        "content.xml": content,
    }
    if manifest:
        members["META-INF/manifest.xml"] = manifest
    return packed(members, first_stored=True)


def odt(text: str) -> bytes:
    return opendocument("text", f"<text:p>{text}</text:p>")


def ods(text: str) -> bytes:
    return opendocument(
        "spreadsheet",
        f'<table:table table:name="T"><table:table-row><table:table-cell><text:p>{text}</text:p>'
        "</table:table-cell></table:table-row></table:table>",
    )


def odp(text: str) -> bytes:
    return opendocument(
        "presentation",
        f'<draw:page draw:name="1"><draw:frame><draw:text-box><text:p>{text}</text:p></draw:text-box>'
        "</draw:frame></draw:page>",
    )


def encrypted_odt() -> bytes:
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml">'
        '<manifest:encryption-data manifest:checksum="x"/></manifest:file-entry></manifest:manifest>'
    )
    noise = bytes((n * 91 + 7) % 256 for n in range(600))
    return packed(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": noise,
            "META-INF/manifest.xml": manifest,
        },
        first_stored=True,
    )


def epub(text: str, encrypted: bool = False) -> bytes:
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    book = (
        '<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="c" href="c.xhtml" '
        'media-type="application/xhtml+xml"/></manifest><spine><itemref idref="c"/></spine></package>'
    )
    chapter: str | bytes = f"<html><body><p>{text}</p></body></html>"
    members: dict[str, str | bytes] = {"mimetype": "application/epub+zip", "META-INF/container.xml": container}
    if encrypted:
        chapter = bytes((n * 91 + 7) % 256 for n in range(600))
        members["META-INF/encryption.xml"] = (
            '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
            'xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData><enc:EncryptionMethod '
            'Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/><enc:CipherData>'
            '<enc:CipherReference URI="c.xhtml"/></enc:CipherData></enc:EncryptedData></encryption>'
        )
    return packed({**members, "book.opf": book, "c.xhtml": chapter}, first_stored=True)


def encrypted_pdf(text: str) -> bytes:
    """A PDF with a password: the keys are noise, so none opens it."""
    noise = bytes((n * 91 + 7) % 256 for n in range(32)).hex()
    return pdf(
        text,
        trailer=f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{noise}> /U <{noise}> >> /ID [<00> <00>]",
    )


def encrypted_office() -> bytes:
    """What Office writes with a password: an OLE container with a stream of this name."""
    return bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(2048)


def rtf(text: str) -> bytes:
    return rb"{\rtf1\ansi " + text.encode() + rb"\par}"


def eml(text: str) -> bytes:
    head = "From: a@example.org\r\nTo: b@example.org\r\nSubject: news\r\nDate: Tue, 3 Nov 2026 10:00:00 +0000\r\n"
    return f"{head}MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n{text}\r\n".encode()


def eml_with_attachment(text: str, name: str, data: bytes) -> bytes:
    import base64

    head = "From: a@example.org\r\nTo: b@example.org\r\nSubject: news\r\nMIME-Version: 1.0\r\n"
    return (
        f'{head}Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n'
        f'--b\r\nContent-Type: application/octet-stream; name="{name}"\r\n'
        f'Content-Disposition: attachment; filename="{name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        f"{base64.encodebytes(data).decode()}\r\n--b--\r\n"
    ).encode()


def tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as package:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            package.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def zst(data: bytes) -> bytes:
    """A Zstandard frame of raw blocks."""
    out = b"\x28\xb5\x2f\xfd\x00\x58"  # no content size, a window of 2 MiB
    blocks = [data[at : at + 100_000] for at in range(0, len(data), 100_000)] or [b""]
    for n, block in enumerate(blocks):
        head = len(block) << 3 | (n == len(blocks) - 1)
        out += head.to_bytes(3, "little") + block
    return out


def zst_bomb(blocks: int) -> bytes:
    """Each block of four bytes says "the same byte 128 KiB times"."""
    out = [b"\x28\xb5\x2f\xfd\x00\x58"]
    for n in range(blocks):
        out.append(((128 << 10) << 3 | 2 | (n == blocks - 1)).to_bytes(3, "little") + b"a")
    return b"".join(out)


# Format: its usual ending, and a document of it from a sentence.
DOCUMENTS: dict[str, Callable[[str], bytes]] = {
    "pdf": pdf,
    "docx": docx,
    "pptx": pptx,
    "xlsx": xlsx,
    "odt": odt,
    "ods": ods,
    "odp": odp,
    "epub": epub,
    "rtf": rtf,
    "eml": eml,
    "html": lambda text: f"<!DOCTYPE html><html><body><h1>T</h1><p>{text}</p></body></html>".encode(),
    "md": lambda text: f"# Title\n\n{text} with [a link](http://x)\n".encode(),
    "py": lambda text: f'def f():\n    """{text}"""\n    return 1\n'.encode(),
    "json": lambda text: json.dumps({"a": [1, 2], "text": text}).encode(),
    "xml": lambda text: f'<?xml version="1.0"?><doc><p>{text}</p></doc>'.encode(),
    "csv": lambda text: f"name,note\nAnn,{text}\nBob,none\n".encode(),
    "tex": lambda text: (
        "\\documentclass{article}\n\\begin{document}\n\\section{One}\n" + text + "\n\\end{document}\n"
    ).encode(),
    "rst": lambda text: f"Title\n=====\n\n{text}\n\n.. note:: x\n".encode(),
    "txt": lambda text: f"{text}\n".encode(),
}

# The same for what holds other documents.
CONTAINERS: dict[str, Callable[[str], bytes]] = {
    "zip": lambda text: packed({"one.txt": text, "two.md": f"# T\n\n{text}\n"}),
    "tar": lambda text: tar({"one.txt": text.encode(), "two.md": text.encode()}),
    "tar.gz": lambda text: gzip.compress(tar({"one.txt": text.encode()}), mtime=0),
    "txt.gz": lambda text: gzip.compress(text.encode(), mtime=0),
    "txt.bz2": lambda text: bz2.compress(text.encode()),
    "txt.xz": lambda text: lzma.compress(text.encode()),
    "txt.zst": lambda text: zst(text.encode()),
}
