//! The code of a task: the function as it was, a type of the same name beside it, and its registration.
//!
//! The type has no values and lives where modules and structs do, so `greet(name)` is still the function and
//! `greet::delay(name)` belongs to the type. Locals have names that no parameter can meet.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Error, ItemFn, Path, Type, Visibility, parse_quote};

use crate::options::Options;
use crate::signature::{Context, Parameter, Signature};

/// Everything that stands in place of the function.
pub(crate) fn expand(item: &ItemFn, options: &Options, signature: &Signature) -> syn::Result<TokenStream> {
    let is_async = item.sig.asyncness.is_some();
    if let Some(cancel) = options.cancel.as_ref().filter(|_| !is_async) {
        return Err(Error::new(
            cancel.at,
            "`cancel` is for async functions; one that is not async asks `ctx.is_cancelled()` itself: remove `cancel`",
        ));
    }
    let krate: Path = options.krate.clone().unwrap_or_else(|| parse_quote!(::dispatcher));
    let name = &item.sig.ident;
    let cfgs = attributes(&item.attrs, "cfg");
    let handle = handle(item, &krate, &signature.parameters);
    let run = run(item, &krate, signature);
    let definition = definition(item, &krate, options);
    Ok(quote! {
        #item

        #handle

        #(#cfgs)*
        #[allow(clippy::used_underscore_binding)]
        const _: () = {
            #run

            #[automatically_derived]
            impl #krate::Task for #name {
                const DEFINITION: #krate::Definition = #definition;
            }

            #krate::__private::inventory::submit! {
                #krate::__private::Registered(&<#name as #krate::Task>::DEFINITION)
            }
        };
    })
}

/// The type beside the function, and what publishes.
fn handle(item: &ItemFn, krate: &Path, parameters: &[Parameter]) -> TokenStream {
    let name = &item.sig.ident;
    let visibility: &Visibility = &item.vis;
    let cfgs = attributes(&item.attrs, "cfg");
    let docs = attributes(&item.attrs, "doc");
    let about = format!("The task [`{0}`](fn@{0}): what publishes it.", name.unraw());
    let names: Vec<_> = parameters.iter().map(|parameter| &parameter.name).collect();
    let kinds: Vec<_> = parameters.iter().map(|parameter| &parameter.kind).collect();
    let start = quote!(#krate::__private::submit(&<#name as #krate::Task>::DEFINITION));
    let submission = parameters.iter().fold(start, |inner, parameter| {
        let (value, kind) = (&parameter.name, &parameter.kind);
        let (add, text) =
            (quote_spanned!(kind.span()=> #krate::__private::named::<#kind>), value.unraw().to_string());
        quote!(#add(#inner, #text, &#value))
    });
    quote! {
        #[doc = #about]
        #[doc = ""]
        #(#docs)*
        #(#cfgs)*
        #[allow(non_camel_case_types)]
        #visibility enum #name {}

        #(#cfgs)*
        #[automatically_derived]
        #[allow(dead_code, clippy::needless_pass_by_value, clippy::too_many_arguments, clippy::used_underscore_binding)]
        impl #name {
            /// A run with these arguments, to be published with or without options.
            #visibility fn submit(#(#names: #kinds),*) -> #krate::Submission {
                #submission
            }

            /// The same as `submit`, by the name that it has in Python: `greet::delay(name).await`.
            #visibility fn delay(#(#names: #kinds),*) -> #krate::Submission {
                Self::submit(#(#names),*)
            }
        }
    }
}

/// What runs the function: arguments out, result in.
fn run(item: &ItemFn, krate: &Path, signature: &Signature) -> TokenStream {
    let name = &item.sig.ident;
    let local = |name| Ident::new(name, Span::mixed_site());
    let (context, call, value) = (local("context"), local("call"), local("value"));
    let described = signature.parameters.iter().map(|parameter| {
        let (name, kind) = (parameter.name.unraw().to_string(), type_name(&parameter.kind));
        quote!(#krate::__private::Parameter { name: #name, kind: #kind })
    });
    let taken = signature.parameters.iter().map(|parameter| {
        let (name, kind) = (&parameter.name, &parameter.kind);
        // Where the type stands, so that a complaint about it is seen there.
        let read = quote_spanned!(kind.span()=> #krate::__private::argument::<#kind>);
        quote!(let #name: #kind = #read(&mut #call)?;)
    });
    let passed_context = signature.context.map(|kind| match kind {
        Context::Value => quote!(#context,),
        Context::Reference => quote!(&#context,),
    });
    let passed = signature.parameters.iter().map(|parameter| &parameter.name);
    let is_async = item.sig.asyncness.is_some();
    let wait = is_async.then(|| quote!(.await));
    let body = quote! {
        let mut #call = #krate::__private::Call::read(
            <#name as #krate::Task>::DEFINITION.name,
            &[#(#described),*],
            &arguments,
        )?;
        #(#taken)*
        let #value = #name(#passed_context #(#passed),*)#wait;
        #krate::__outcome!(#value)
    };
    if is_async {
        quote! {
            fn __run(#context: #krate::TaskContext, arguments: #krate::Arguments) -> #krate::definition::Run {
                ::std::boxed::Box::pin(async move { let _ = &#context; #body })
            }
        }
    } else {
        quote! {
            fn __run(#context: #krate::TaskContext, arguments: #krate::Arguments) -> #krate::Outcome {
                let _ = &#context;
                #body
            }
        }
    }
}

fn definition(item: &ItemFn, krate: &Path, options: &Options) -> TokenStream {
    let function = item.sig.ident.unraw().to_string();
    let name = if let Some(name) = &options.name {
        quote!(#name)
    } else {
        quote!(#krate::__dotted_name!(#function))
    };
    let queue = optional(options.queue.as_ref());
    let timeout = optional(options.timeout.map(duration));
    let delay = optional(options.delay.map(duration));
    let rule = options.on_duplicate.as_ref();
    let on_duplicate = optional(rule.map(|rule| quote!(#krate::OnDuplicate::#rule)));
    let cancel = options
        .cancel
        .as_ref()
        .map_or_else(|| Ident::new("Drop", Span::call_site()), |cancel| cancel.variant.clone());
    let body = if item.sig.asyncness.is_some() { quote!(Async) } else { quote!(Blocking) };
    quote! {
        #krate::Definition {
            name: #name,
            place: ::core::concat!(::core::file!(), ":", ::core::line!()),
            options: #krate::definition::TaskOptions {
                queue: #queue,
                timeout: #timeout,
                delay: #delay,
                on_duplicate: #on_duplicate,
            },
            on_cancel: #krate::definition::OnCancel::#cancel,
            body: #krate::definition::Body::#body(__run),
        }
    }
}

fn duration(duration: Duration) -> TokenStream {
    // At most a year, so the microseconds fit.
    let microseconds = duration.as_micros() as u64;
    quote!(::core::time::Duration::from_micros(#microseconds))
}

fn optional<T: ToTokens>(value: Option<T>) -> TokenStream {
    if let Some(value) = value {
        quote!(::core::option::Option::Some(#value))
    } else {
        quote!(::core::option::Option::None)
    }
}

fn attributes<'a>(all: &'a [Attribute], name: &str) -> Vec<&'a Attribute> {
    all.iter().filter(|attribute| attribute.path().is_ident(name)).collect()
}

/// A type as people write it: tokens alone have blanks everywhere.
fn type_name(kind: &Type) -> String {
    let is_word = |c: char| c == '_' || c.is_alphanumeric();
    let mut text = String::new();
    for token in kind.to_token_stream().to_string().split_whitespace() {
        let apart = text.ends_with([',', ';', '+']) || token.starts_with('+');
        if apart || (text.ends_with(is_word) && token.starts_with(is_word)) {
            text.push(' ');
        }
        text.push_str(token);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_shown_as_it_is_written() {
        for kind in [
            "u8",
            "Vec<String>",
            "std::collections::HashMap<String, Vec<u8>>",
            "(u8, [i32; 3])",
            "Option<a::B>",
        ] {
            let parsed: Type = syn::parse_str(kind).unwrap();
            assert_eq!(type_name(&parsed), kind);
        }
    }
}
