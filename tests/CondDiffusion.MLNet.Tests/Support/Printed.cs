namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Reads what an action prints.</summary>
internal static class Printed
{
    /// <summary>Returns what an action writes to the output; what it writes to the error output is left out.</summary>
    public static string By(Action action) => Read(action, Console.Out, Console.SetOut);

    /// <summary>Returns what an action writes to the error output.</summary>
    public static string ByErrors(Action action) => Read(action, Console.Error, Console.SetError);

    private static string Read(Action action, TextWriter output, Action<TextWriter> set)
    {
        using var writer = new StringWriter();
        set(writer);
        try
        {
            action();
        }
        finally
        {
            set(output);
        }

        return writer.ToString();
    }
}
