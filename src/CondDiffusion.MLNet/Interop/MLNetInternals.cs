using System.IO.Compression;
using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

[assembly: IgnoresAccessChecksTo("Microsoft.ML.Core")]
[assembly: IgnoresAccessChecksTo("Microsoft.ML.Data")]

namespace System.Runtime.CompilerServices
{
    /// <summary>
    /// Lets this assembly use the internals of the named one. The runtime finds this attribute by its name, so any
    /// assembly may define it.
    /// </summary>
    [AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
    internal sealed class IgnoresAccessChecksToAttribute(string assemblyName) : Attribute
    {
        public string AssemblyName { get; } = assemblyName;
    }
}

namespace CondDiffusion.MLNet.Interop
{
    /// <summary>
    /// Gives access to the parts of ML.NET that every component needs but that ML.NET keeps internal. Besides this
    /// file, only ModelFile.cs and the transformer's two methods for it use internals, so that an upgrade of ML.NET can
    /// break the library only there.
    /// </summary>
    internal static class MLNetInternals
    {
        public static int? Seed(IHostEnvironment host) => ((IHostEnvironmentInternal)host).Seed;

        public static int? GpuDeviceId(IHostEnvironment host) => ((IHostEnvironmentInternal)host).GpuDeviceId;

        public static string TempFilePath(IHostEnvironment host) => ((IHostEnvironmentInternal)host).TempFilePath;

        /// <summary>Returns the environment of the context that a catalog belongs to.</summary>
        public static IHostEnvironment Environment(IInternalCatalog catalog) => catalog.Environment;

        /// <summary>Creates the catalog of transforms of an environment, as its context has it.</summary>
        [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
        public static extern TransformsCatalog CreateTransforms(IHostEnvironment environment);

        public static bool FallbackToCpu(IHostEnvironment host) => ((IHostEnvironmentInternal)host).FallbackToCpu;

        /// <summary>Throws if the context was cancelled.</summary>
        /// <exception cref="OperationCanceledException">The context was cancelled.</exception>
        public static void CheckAlive(IHostEnvironment host) => host.CheckAlive();

        /// <summary>Throws if the context or a token was cancelled.</summary>
        /// <exception cref="OperationCanceledException">The context or the token was cancelled.</exception>
        public static void CheckAlive(IHostEnvironment host, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            host.CheckAlive();
        }

        public static bool IsCanceled(IHostEnvironment host) => ((ICancelable)host).IsCanceled;

        /// <summary>
        /// Creates a chain like <paramref name="transformer"/>, of the same type and with the same scopes, but with its
        /// transformers replaced. Returns null if the transformer is not a chain.
        /// </summary>
        public static ITransformer? ReplaceInChain(ITransformer transformer, Func<ITransformer, ITransformer> replace)
        {
            if (transformer is not ITransformerChainAccessor chain) return null;

            var replaced = chain.Transformers.Select(replace).ToArray();
            return (ITransformer)Activator.CreateInstance(transformer.GetType(), replaced, chain.Scopes)!;
        }

        /// <summary>
        /// Finds an entry of the transformer's folder in a model file, which ML.NET has not unpacked yet. Returns null
        /// if there is none, or if this version of ML.NET does not keep its entries where version 5 does.
        /// </summary>
        public static ZipArchiveEntry? FindEntry(ModelLoadContext context, string name)
        {
            try
            {
                var entries = Entries(context.Repository);
                var path = Path.Combine(context.Directory ?? "", name);
                return entries.GetValueOrDefault(path) ?? entries.GetValueOrDefault(path.Replace('/', '\\'));
            }
            catch (MissingFieldException)
            {
                return null;
            }
        }

        /// <summary>Lists the folders of a model file that have an entry; "" stands for the file itself.</summary>
        public static IEnumerable<string> FindFolders(RepositoryReader repository, string name) =>
            Entries(repository).Keys
                .Where(path => Path.GetFileName(path.Replace('\\', '/')) == name)
                .Select(path => path[..^name.Length].TrimEnd('\\', '/'));

        public static SchemaShape Shape(DataViewSchema schema) => SchemaShape.Create(schema);

        public static SchemaShape.Column Column(
            string name,
            SchemaShape.Column.VectorKind kind,
            DataViewType itemType,
            SchemaShape? annotations = null,
            bool isKey = false) =>
            new(name, kind, itemType, isKey, annotations);

        public static Exception MissingColumn(IHost host, string role, string column, string advice = "") =>
            host.ExceptParam("inputSchema", $"Could not find {role} column '{column}'.{advice}");

        public static Exception WrongColumn(
            IHost host, string role, string column, string expected, string found) =>
            host.ExceptSchemaMismatch("inputSchema", role, column, expected, found);

        [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_entries")]
        private static extern ref Dictionary<string, ZipArchiveEntry> Entries(RepositoryReader reader);
    }
}
