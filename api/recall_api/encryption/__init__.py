"""A data key for each user (`spec.encryption.perUserKeys`): what is stored is sealed on its way to DynamoDB.

`storage` stands between every table and DynamoDB and is the one place where items are sealed and opened; what stays in
the clear is listed in `shapes`, and everything else is sealed. `keys` has the users' keys, which KMS unwraps.
"""
