using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

[assembly: IgnoresAccessChecksTo("Microsoft.ML.Core")]
[assembly: IgnoresAccessChecksTo("Microsoft.ML.Data")]

namespace System.Runtime.CompilerServices
{
    /// <summary>Tells the runtime to let this assembly use the named one's internals; the runtime looks for it by name.</summary>
    [AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
    internal sealed class IgnoresAccessChecksToAttribute(string assemblyName) : Attribute
    {
        public string AssemblyName { get; } = assemblyName;
    }
}

namespace CondDiffusion.MLNet.Interop
{
    /// <summary>
    /// What any ML.NET component needs and ML.NET keeps to itself. Only this file and ModelFile.cs use its internals, so that an upgrade
    /// that breaks them breaks in one place.
    /// </summary>
    internal static class MLNetInternals
    {
        public static int? Seed(IHostEnvironment host) => ((IHostEnvironmentInternal)host).Seed;

        public static int? GpuDeviceId(IHostEnvironment host) => ((IHostEnvironmentInternal)host).GpuDeviceId;

        public static bool FallbackToCpu(IHostEnvironment host) => ((IHostEnvironmentInternal)host).FallbackToCpu;

        /// <exception cref="OperationCanceledException">The context was cancelled.</exception>
        public static void CheckAlive(IHostEnvironment host) => host.CheckAlive();

        public static bool IsCanceled(IHostEnvironment host) => ((ICancelable)host).IsCanceled;

        /// <summary>
        /// The chain with its transformers replaced, of the same type and with the same scopes; null if the transformer is no chain.
        /// </summary>
        public static ITransformer? ReplaceInChain(ITransformer transformer, Func<ITransformer, ITransformer> replace) =>
            transformer is ITransformerChainAccessor chain
                ? (ITransformer)Activator.CreateInstance(transformer.GetType(), chain.Transformers.Select(replace).ToArray(), chain.Scopes)!
                : null;

        public static SchemaShape Shape(DataViewSchema schema) => SchemaShape.Create(schema);

        public static SchemaShape.Column Column(
            string name, SchemaShape.Column.VectorKind kind, DataViewType itemType, SchemaShape? annotations = null) =>
            new(name, kind, itemType, false, annotations);

        public static Exception MissingColumn(IHost host, string role, string column, string advice = "") =>
            host.ExceptParam("inputSchema", $"Could not find {role} column '{column}'.{advice}");

        public static Exception WrongColumn(IHost host, string role, string column, string expected, string found) =>
            host.ExceptSchemaMismatch("inputSchema", role, column, expected, found);
    }
}
