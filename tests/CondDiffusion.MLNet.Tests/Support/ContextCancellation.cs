using System.Reflection;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Tests.Support;

internal static class ContextCancellation
{
    /// <summary>Cancels what a context does. The package Microsoft.ML.Experimental has this method.</summary>
    public static void Cancel(this MLContext ml) =>
        typeof(MLContext).GetMethod("CancelExecution", BindingFlags.Instance | BindingFlags.NonPublic)!
            .Invoke(ml, null);
}
