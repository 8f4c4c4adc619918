namespace CondDiffusion.Examples;

/// <summary>Says what is wrong with the command line; the program prints its usage after the message.</summary>
internal sealed class UsageException(string message) : Exception(message);
