//! What the function looks like, and what it may not look like.
//!
//! Looks at names and shapes alone. Whether a type can travel is for the compiler to say, where the bounds stand.

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::{Error, FnArg, Ident, ItemFn, Pat, PatType, Safety, Type};

/// A function that can be a task.
pub(crate) struct Signature {
    pub(crate) context: Option<Context>,
    pub(crate) parameters: Vec<Parameter>,
}

/// How the function takes its context.
#[derive(Clone, Copy)]
pub(crate) enum Context {
    Value,
    Reference,
}

/// One argument.
pub(crate) struct Parameter {
    pub(crate) name: Ident,
    pub(crate) kind: Type,
}

/// The complaint about an attribute on something else.
pub(crate) fn no_function(item: TokenStream) -> Error {
    Error::new_spanned(
        item,
        "#[task] stands on a function with a body: `async fn name(...) { ... }` or `fn name(...) { ... }`",
    )
}

/// Reads a function; every complaint at once.
pub(crate) fn read(item: &ItemFn) -> syn::Result<Signature> {
    let mut complaints: Option<Error> = None;
    let mut complain = |error: Error| match &mut complaints {
        Some(all) => all.combine(error),
        None => complaints = Some(error),
    };
    shape(item, &mut complain);
    let mut signature = Signature { context: None, parameters: Vec::new() };
    for (index, input) in item.sig.inputs.iter().enumerate() {
        let result = match input {
            FnArg::Receiver(receiver) => Err(Error::new_spanned(
                receiver,
                "a task has no `self`: it runs in another process, so move it out of the impl and pass what it needs, such as an id",
            )),
            FnArg::Typed(typed) => match context(&typed.ty) {
                Some(context) if index == 0 => {
                    signature.context = Some(context);
                    Ok(())
                }
                Some(_) => Err(Error::new_spanned(typed, "the context has to be the first parameter")),
                None => parameter(typed).map(|parameter| signature.parameters.push(parameter)),
            },
        };
        if let Err(error) = result {
            complain(error);
        }
    }
    complaints.map_or(Ok(signature), Err)
}

/// What no task can be.
fn shape(item: &ItemFn, complain: &mut impl FnMut(Error)) {
    let signature = &item.sig;
    if !signature.generics.params.is_empty() {
        complain(Error::new_spanned(
            &signature.generics,
            "a task cannot be generic: a message names one function with fixed types; call the generic one from a task for each type",
        ));
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        complain(Error::new_spanned(
            unsafety,
            "a task cannot be unsafe: whoever sends a message cannot promise anything",
        ));
    }
    if let Some(abi) = &signature.abi {
        complain(Error::new_spanned(abi, "a task is a plain function; remove `extern`"));
    }
    if let Some(constness) = &signature.constness {
        complain(Error::new_spanned(constness, "a task is a plain function; remove `const`"));
    }
    if let Some(variadic) = &signature.variadic {
        complain(Error::new_spanned(variadic, "a task has a fixed number of parameters; take a Vec"));
    }
}

/// Whether a type is the context, by its name.
fn context(kind: &Type) -> Option<Context> {
    match kind {
        Type::Path(path) if path.path.segments.last()?.ident == "TaskContext" => Some(Context::Value),
        Type::Reference(reference) if reference.mutability.is_none() => {
            matches!(context(&reference.elem)?, Context::Value).then_some(Context::Reference)
        }
        _ => None,
    }
}

fn parameter(typed: &PatType) -> syn::Result<Parameter> {
    let Pat::Ident(pattern) = &*typed.pat else {
        return Err(Error::new_spanned(
            &typed.pat,
            "a parameter of a task has a plain name, by which others pass it; take the pattern apart in the body",
        ));
    };
    if let Some(by_ref) = &pattern.by_ref {
        return Err(Error::new_spanned(by_ref, "a parameter of a task has a plain name; remove `ref`"));
    }
    match &*typed.ty {
        Type::Reference(reference) => Err(Error::new_spanned(
            reference,
            match &*reference.elem {
                Type::Path(path) if path.path.is_ident("str") => {
                    "arguments come out of a message, so a task owns them: write `String`"
                }
                Type::Slice(_) => "arguments come out of a message, so a task owns them: write `Vec<...>`",
                _ => "arguments come out of a message, so a task owns them: remove the `&`",
            },
        )),
        Type::ImplTrait(kind) => {
            Err(Error::new(kind.span(), "a parameter of a task has one type, which its messages are read as"))
        }
        kind => Ok(Parameter { name: pattern.ident.clone(), kind: kind.clone() }),
    }
}
