// Package http reads image content from URLs that users name, and only from where users may make Virga look.
//
// It owns the one guarded fetcher for all of that: which schemes, ports and addresses may be reached, checked again for
// every connection of every redirect. It never writes, and it does not decide who may name a URL. The image service
// imports it; nothing else of Virga fetches a URL from outside.
package http
