"""Find the servers in the pods of a Kubernetes cluster, and reach them through its API.

The admin ports stay on the loopback interface of each pod. The Kubernetes API forwards connections to them, and its
role-based access control (RBAC) decides who may open one. The client library is imported only when a command uses it,
because the import takes longer than most commands.
"""
