//! `#[task]`: from a function to a task. The crate `dispatcher` shows the attribute and says what it does.
//!
//! Reads tokens and writes tokens. What it writes names the crate `dispatcher` alone, holds no unsafe code, and leaves
//! the function as it was.

mod duration;
mod options;
mod signature;
mod expand;

use proc_macro::TokenStream;
use syn::ItemFn;

/// See `dispatcher::task`.
#[proc_macro_attribute]
pub fn task(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let tokens: proc_macro2::TokenStream = item.clone().into();
    let Ok(item) = syn::parse::<ItemFn>(item) else {
        return signature::no_function(tokens).into_compile_error().into();
    };
    let expanded = syn::parse::<options::Options>(arguments).and_then(|options| {
        let signature = signature::read(&item)?;
        expand::expand(&item, &options, &signature)
    });
    match expanded {
        Ok(tokens) => tokens.into(),
        Err(error) => {
            // The function stays, so that there are no complaints about its absence beside the true one.
            let error = error.into_compile_error();
            quote::quote!(#item #error).into()
        }
    }
}
