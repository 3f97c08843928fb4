//! The page of the standard library.

use corten_syntax::stdlib::{FUNCTIONS, Stability};

use crate::markdown::{code, table};

pub(crate) fn page() -> String {
    let mut out = String::from(
        "# Functions\n\n\
         What expressions can call. A name in the file (a component, an argument) hides a function of the same name.\n\n",
    );
    let (mut current, mut former) = (Vec::new(), Vec::new());
    for function in FUNCTIONS {
        match function.replaced_by {
            Some(now) => former.push(vec![code(function.name), code(now)]),
            None => {
                let note = match function.stability {
                    Stability::GenerallyAvailable => "",
                    Stability::Experimental => " *Experimental in Alloy.*",
                };
                let call = format!("{}{}", function.name, function.signature);
                current.push(vec![code(&call), format!("{}{note}", function.doc)]);
            }
        }
    }
    out.push_str(&table(&["function", "what it gives"], &current));
    out.push_str("\n## Former names\n\nThey work, with a warning.\n\n");
    out.push_str(&table(&["former", "now"], &former));
    out
}
