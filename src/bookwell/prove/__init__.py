"""`bookwell prove`: lets clients race against a service, and checks what it promised them."""
