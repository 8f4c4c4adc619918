namespace CondDiffusion.MLNet.Files;

/// <summary>
/// What can go wrong with files that is not the program's fault: a full disk, missing permissions, a path that is a
/// file.
/// </summary>
internal static class FileErrors
{
    /// <summary>Returns whether an exception is such an error.</summary>
    public static bool IsOne(Exception exception) => exception is IOException or UnauthorizedAccessException;

    /// <summary>Runs an action on a directory that an option names.</summary>
    /// <param name="what">
    /// The option, the directory and what cannot be done with it, as the start of the error's message.
    /// </param>
    /// <param name="action">The action.</param>
    /// <exception cref="InvalidOperationException">The action failed on the file system.</exception>
    public static T Explain<T>(string what, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception exception) when (IsOne(exception))
        {
            throw new InvalidOperationException($"{what}: {exception.Message}", exception);
        }
    }
}
