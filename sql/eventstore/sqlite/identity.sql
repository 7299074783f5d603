SELECT identity
FROM store
