DELETE FROM waiting
WHERE store = :store AND sink = :sink AND sequence <= :sequence
