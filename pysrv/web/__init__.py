"""What panel, portal and API share: the HTTPS listener, who is asking, forms, pages and problems."""
