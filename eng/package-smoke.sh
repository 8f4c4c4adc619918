#!/usr/bin/env bash
# Packs the library and uses the package as its users do: an application outside this repository references it and
# TorchSharp-cpu, and is built and published in every way that places TorchSharp's native files differently.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
project=src/CondDiffusion.MLNet

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The package has a version of its own and goes into a package folder of its own, in front of the machine's, so that no
# stale copy can take its place.
version=$(dotnet msbuild $project -getProperty:Version)-smoke.$(date +%s)
torchsharp=$(dotnet msbuild $project -getProperty:TorchSharpVersion)
packages=$(dotnet nuget locals global-packages --list | sed 's/^[^:]*: *//')
dotnet pack $project -c Release -o "$work/feed" -p:PackageVersion="$version" -v quiet

mkdir "$work/app"
cd "$work/app"
cp "$repository/global.json" .
cat > NuGet.config <<END
<configuration>
  <config><add key="globalPackagesFolder" value="$work/packages" /></config>
  <fallbackPackageFolders><add key="machine" value="$packages" /></fallbackPackageFolders>
  <packageSources><add key="smoke" value="$work/feed" /></packageSources>
</configuration>
END
cat > app.csproj <<END
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
    <!-- libtorch is about 500 MB per platform: links in place of copies, where the file system can. -->
    <CreateHardLinksForCopyLocalIfPossible>true</CreateHardLinksForCopyLocalIfPossible>
    <CreateHardLinksForPublishFilesIfPossible>true</CreateHardLinksForPublishFilesIfPossible>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="CondDiffusion.MLNet" Version="$version" />
    <PackageReference Include="TorchSharp-cpu" Version="$torchsharp" />
  </ItemGroup>
</Project>
END
echo 'System.Console.WriteLine(TorchSharp.torch.ones(2).sum().item<float>());' > Program.cs

# check WHAT COMMAND...: the command puts the application into ./out, where it must run and print 2.
check() {
    local what=$1
    shift
    rm -rf obj bin out
    "$@" -c Release -o out -v quiet --nologo
    local printed
    printed=$(cd / && "$work/app/out/app")
    if [ "$printed" != 2 ]; then
        echo "package smoke: $what: printed '$printed', not 2" >&2
        exit 1
    fi
    echo "package smoke: $what: ok"
}

check 'build, portable' dotnet build
check 'build, one platform' dotnet build --use-current-runtime
check 'publish, portable' dotnet publish
check 'publish, self-contained' dotnet publish --use-current-runtime --self-contained
check 'publish, single file' dotnet publish --use-current-runtime --no-self-contained -p:PublishSingleFile=true
