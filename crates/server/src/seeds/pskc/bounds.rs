//! What a document may ask of the parser, looked at before it is parsed: attributes of one tag are compared each with
//! each, and every namespace with those around it.
//!
//! Knows: where tags, comments and character data begin and end. Must never know: names or values. What it can't follow
//! it refuses.

use super::PskcError;

/// Longest tag in bytes.
const TAG_BYTES_MAX: usize = 4096;
/// Most attributes of a tag, declarations of namespaces among them.
const ATTRIBUTES_MAX: usize = 32;
/// Most elements within each other.
const DEPTH_MAX: usize = 64;
/// Most namespaces that open elements declare.
const OPEN_NAMESPACES_MAX: usize = 32;
/// Most namespaces that a document declares: more than a batch whose every key declares its own.
const NAMESPACES_MAX: usize = 65_536;
/// Most nodes of a document.
pub(super) const NODES_MAX: u32 = 1_000_000;

/// A bound that no container reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Bytes of a tag.
    Tag,
    /// Attributes of a tag.
    Attributes,
    /// Elements within each other.
    Depth,
    /// Declared namespaces, of all elements or of those within each other.
    Namespaces,
    /// Nodes.
    Nodes,
}

impl Bound {
    pub(super) fn text(self) -> &'static str {
        match self {
            Bound::Tag => "a tag of more than 4096 bytes",
            Bound::Attributes => "a tag of more than 32 attributes",
            Bound::Depth => "more than 64 elements within each other",
            Bound::Namespaces => "more than 32 namespaces within each other, or 65536 in all",
            Bound::Nodes => "more than a million nodes",
        }
    }
}

/// Looks at a whole document once.
pub(super) fn hold(text: &str) -> Result<(), PskcError> {
    let over = |bound| Err(PskcError::Bound(bound));
    // How many namespaces each open element declares.
    let mut open: Vec<usize> = Vec::new();
    let (mut open_namespaces, mut namespaces) = (0, 0);
    let mut at = 0;
    while let Some(found) = text[at..].find('<') {
        at += found;
        let rest = &text[at..];
        let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")]
            .into_iter()
            .find_map(|(begin, end)| Some((begin.len(), rest.strip_prefix(begin)?.find(end)?, end.len())));
        if let Some((begin, len, end)) = skipped {
            at += begin + len + end;
            continue;
        }
        let tag = match Tag::of(rest.as_bytes()) {
            Some(tag) if tag.len <= TAG_BYTES_MAX && !rest.starts_with("<!") => tag,
            None if rest.len() <= TAG_BYTES_MAX => return Err(unfollowed(text, at)),
            Some(_) if rest.starts_with("<!") => return Err(unfollowed(text, at)),
            _ => return over(Bound::Tag),
        };
        at += tag.len;
        if tag.attributes > ATTRIBUTES_MAX {
            return over(Bound::Attributes);
        }
        if rest.starts_with("</") {
            open_namespaces -= open.pop().unwrap_or(0);
            continue;
        }
        let declared = rest[..tag.len].matches("xmlns").count();
        namespaces += declared;
        if open_namespaces + declared > OPEN_NAMESPACES_MAX || namespaces > NAMESPACES_MAX {
            return over(Bound::Namespaces);
        }
        if !tag.is_empty {
            open.push(declared);
            open_namespaces += declared;
        }
        if open.len() > DEPTH_MAX {
            return over(Bound::Depth);
        }
    }
    Ok(())
}

/// A tag as far as its bounds need.
struct Tag {
    len: usize,
    attributes: usize,
    is_empty: bool,
}

impl Tag {
    /// None when it does not end. A `>` in quotes ends nothing.
    fn of(text: &[u8]) -> Option<Tag> {
        let (mut quote, mut attributes) = (None, 0);
        for (at, byte) in text.iter().enumerate() {
            match (quote, byte) {
                (Some(open), _) if open == *byte => quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => quote = Some(*byte),
                (None, b'=') => attributes += 1,
                (None, b'>') => {
                    return Some(Tag {
                        len: at + 1,
                        attributes,
                        is_empty: text[..at].ends_with(b"/"),
                    });
                }
                (None, _) => {}
            }
        }
        None
    }
}

fn unfollowed(text: &str, at: usize) -> PskcError {
    let line = text[..at].matches('\n').count() + 1;
    PskcError::Xml {
        line: u32::try_from(line).unwrap_or(u32::MAX),
    }
}
